# Installs Messenger Hub for this user alone: no administrator, nothing outside the user's folders and registry.
#   install.ps1 [-NoAutostart] [-NoStart]
# Puts the app under %LOCALAPPDATA%\Programs\MessengerHub, into the Start menu, on the user's PATH and into the list of installed
# apps, from where it is removed; opens messenger-hub:// links; starts it now and at login. An older version is replaced; the data
# folder is left alone. Plain ASCII, and for the Windows PowerShell 5.1 that every Windows has.
param([switch]$NoAutostart, [switch]$NoStart)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$source = Join-Path $PSScriptRoot 'messenger-hub'
$target = Join-Path $env:LOCALAPPDATA 'Programs\MessengerHub'
$console = Join-Path $target 'messenger-hub.exe'
$windowless = Join-Path $target 'messenger-hubw.exe'
$uninstaller = Join-Path $target 'uninstall.ps1'
$listed = 'HKCU:\Software\Microsoft\Windows\CurrentVersion\Uninstall\MessengerHub'
$links = 'HKCU:\Software\Classes\messenger-hub'
$shortcut = Join-Path ([Environment]::GetFolderPath('Programs')) 'Messenger Hub.lnk'

. (Join-Path $PSScriptRoot 'shared.ps1')

function Copy-App {
    if (-not (Test-Path -LiteralPath (Join-Path $source 'messenger-hub.exe'))) {
        throw "The folder messenger-hub is not beside this script: unpack the whole archive first."
    }
    Stop-App $target
    # Beside the old one first, so that a full disk leaves that as it is.
    $new = "$target.new"
    if (Test-Path -LiteralPath $new) { Remove-Item -LiteralPath $new -Recurse -Force }
    Copy-Item -LiteralPath $source -Destination $new -Recurse
    foreach ($file in 'uninstall.ps1', 'shared.ps1') { Copy-Item -LiteralPath (Join-Path $PSScriptRoot $file) -Destination $new }
    if (Test-Path -LiteralPath $target) { Remove-Item -LiteralPath $target -Recurse -Force }
    Move-Item -LiteralPath $new -Destination $target
}

function Add-Shortcut {
    $shell = New-Object -ComObject WScript.Shell
    $link = $shell.CreateShortcut($shortcut)
    $link.TargetPath = $windowless
    $link.Arguments = 'up'
    $link.WorkingDirectory = $env:USERPROFILE
    $link.Description = 'Send WhatsApp messages through an API of your own'
    $link.Save()
}

function Add-Links {
    New-Item -Path "$links\shell\open\command" -Force | Out-Null
    Set-ItemProperty -LiteralPath $links -Name '(default)' -Value 'URL:Messenger Hub'
    Set-ItemProperty -LiteralPath $links -Name 'URL Protocol' -Value ''
    # With a console: joining asks whether this is meant.
    Set-ItemProperty -LiteralPath "$links\shell\open\command" -Name '(default)' -Value "`"$console`" join `"%1`""
}

function Add-ToList {
    New-Item -Path $listed -Force | Out-Null
    $version = (& $console --version) -split ' ' | Select-Object -Last 1
    $size = [int]((Get-ChildItem -LiteralPath $target -Recurse -File | Measure-Object -Property Length -Sum).Sum / 1024)
    $remove = "powershell.exe -NoProfile -ExecutionPolicy Bypass -File `"$uninstaller`""
    $values = @{
        DisplayName = 'Messenger Hub'; DisplayVersion = $version; DisplayIcon = $console; InstallLocation = $target
        UninstallString = $remove; QuietUninstallString = $remove
    }
    foreach ($name in $values.Keys) { Set-ItemProperty -LiteralPath $listed -Name $name -Value $values[$name] }
    foreach ($name in 'NoModify', 'NoRepair') { Set-ItemProperty -LiteralPath $listed -Name $name -Value 1 -Type DWord }
    Set-ItemProperty -LiteralPath $listed -Name 'EstimatedSize' -Value $size -Type DWord
}

try {
    Copy-App
    Add-Shortcut
    Add-Links
    Add-ToList
    Set-OnPath $target $true
    if (-not $NoAutostart) {
        & $console autostart on
        if ($LASTEXITCODE -ne 0) { Write-Warning 'It does not start at login; the Start menu starts it.' }
    }
    if (-not $NoStart) { Start-Process -FilePath $windowless -ArgumentList 'up' -WorkingDirectory $env:USERPROFILE }
    Write-Output "Messenger Hub is installed in $target, and in the Start menu. In a new console: messenger-hub --help"
} catch {
    [Console]::Error.WriteLine("install: $($_.Exception.Message)")
    exit 1
}
