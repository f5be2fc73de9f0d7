# Removes what install.ps1 has put here. The data folder stays: it holds the link to WhatsApp and what waits to be sent.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$target = $PSScriptRoot
$shortcut = Join-Path ([Environment]::GetFolderPath('Programs')) 'Messenger Hub.lnk'
$keys = 'HKCU:\Software\Microsoft\Windows\CurrentVersion\Uninstall\MessengerHub', 'HKCU:\Software\Classes\messenger-hub'

. (Join-Path $PSScriptRoot 'shared.ps1')

try {
    # Nothing but an installation is removed, wherever this script lies.
    if ((Split-Path -Leaf $target) -ne 'MessengerHub' -or -not (Test-Path -LiteralPath (Join-Path $target 'messenger-hub.exe'))) {
        throw "$target is no installation of Messenger Hub."
    }
    Stop-App $target
    & (Join-Path $target 'messenger-hub.exe') autostart off
    if (Test-Path -LiteralPath $shortcut) { Remove-Item -LiteralPath $shortcut -Force }
    foreach ($key in $keys) { if (Test-Path -LiteralPath $key) { Remove-Item -LiteralPath $key -Recurse -Force } }
    Set-OnPath $target $false
    Set-Location -LiteralPath $env:TEMP
    Remove-Item -LiteralPath $target -Recurse -Force
    Write-Output "Messenger Hub is removed. Its data is still in $(Join-Path $env:LOCALAPPDATA 'messenger-hub'): delete that folder too, if you want."
} catch {
    [Console]::Error.WriteLine("uninstall: $($_.Exception.Message)")
    exit 1
}
