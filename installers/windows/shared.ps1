# What install.ps1 and uninstall.ps1 have in common.

# Ends what runs from a folder: first the one that started the others, which then end by themselves, having finished what is being sent.
function Stop-App([string]$folder) {
    $prefix = "$folder\"
    function Get-Running {
        @(Get-CimInstance -ClassName Win32_Process -Filter "Name LIKE 'messenger-hub%'" |
            Where-Object { $_.ExecutablePath -and $_.ExecutablePath.StartsWith($prefix, [StringComparison]::OrdinalIgnoreCase) })
    }
    $running = @(Get-Running)
    if ($running.Count -eq 0) { return }
    Write-Output 'Messenger Hub runs: it finishes what is being sent, and ends.'
    $ids = @($running | ForEach-Object { $_.ProcessId })
    foreach ($one in $running) {
        if ($one.ParentProcessId -notin $ids) { Stop-Process -Id $one.ProcessId -Force -ErrorAction SilentlyContinue }
    }
    $last = (Get-Date).AddSeconds(60)
    while (@(Get-Running).Count -gt 0) {
        if ((Get-Date) -gt $last) { throw 'Messenger Hub does not end: end it in the Task Manager, then try again.' }
        Start-Sleep -Milliseconds 200
    }
}

# Puts a folder on the user's PATH, or takes it off. What is there keeps its %NAMES%.
function Set-OnPath([string]$folder, [bool]$wanted) {
    $key = [Microsoft.Win32.Registry]::CurrentUser.OpenSubKey('Environment', $true)
    try {
        $before = [string]$key.GetValue('Path', '', [Microsoft.Win32.RegistryValueOptions]::DoNotExpandEnvironmentNames)
        $parts = @($before -split ';' | Where-Object { $_ -and $_ -ne $folder })
        if ($wanted) { $parts += $folder }
        $key.SetValue('Path', ($parts -join ';'), [Microsoft.Win32.RegistryValueKind]::ExpandString)
    } finally { $key.Dispose() }
    # Any change through this call tells the desktop that the environment is another one.
    [Environment]::SetEnvironmentVariable('MESSENGER_HUB_INSTALLED', $null, 'User')
}
