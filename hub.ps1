# Runs messenger-hub, and makes what it needs first: a virtual environment beside this script. For Windows; elsewhere there is ./hub.
# A later start only compares a checksum. All that is said here goes to stderr, so that stdout is the command's alone.
# Plain ASCII, and for the Windows PowerShell 5.1 that every Windows has.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$hubHome = $PSScriptRoot
$venv = Join-Path $hubHome '.venv'
$venvPython = Join-Path $venv 'Scripts\python.exe'
$program = Join-Path $venv 'Scripts\messenger-hub.exe'
$versions = '3.13', '3.12', '3.11'
$wingetLine = 'winget install --id Python.Python.3.13 --exact --source winget --scope user'
# Strings, whatever they look like: nothing here may take an option of messenger-hub for one of its own.
$words = @($args | ForEach-Object { [string]$_ })

function Write-Said([string]$sentence) { [Console]::Error.WriteLine("hub: $sentence") }

function Stop-Here([string]$sentence, [string]$log = '') {
    if ($log -and (Test-Path -LiteralPath $log)) {
        Get-Content -LiteralPath $log -Tail 20 | ForEach-Object { [Console]::Error.WriteLine("     $_") }
    }
    Write-Said $sentence
    exit 1
}

# --- what is installed, told by checksums (no Python is started for it) ---

# Whatever changes what pip would install: the project's files, this folder's place and the Python behind the environment.
function Get-Stamp {
    $files = @('pyproject.toml', 'hatch_build.py') | ForEach-Object { Join-Path $hubHome $_ }
    foreach ($folder in 'proto', 'server', 'tray_agent') {
        $files += Get-ChildItem -LiteralPath (Join-Path $hubHome $folder) -Recurse -File |
            Where-Object { $_.Extension -eq '.proto' -or $_.Name -eq 'package-lock.json' } |
            Where-Object { $_.FullName -notmatch '[\\/]node_modules[\\/]' } | ForEach-Object { $_.FullName }
    }
    $files += Join-Path $venv 'pyvenv.cfg'
    $sums = @($files | Sort-Object | Where-Object { Test-Path -LiteralPath $_ } |
        ForEach-Object { (Get-FileHash -LiteralPath $_ -Algorithm SHA256).Hash })
    ($sums -join '') + $hubHome
}

# What was noted when a part was installed. Without it, nothing.
function Get-Recorded([string]$part) {
    $file = Join-Path $venv ".hub-$part"
    if (Test-Path -LiteralPath $file) { return [IO.File]::ReadAllText($file) }
    return ''
}

function Set-Recorded([string]$part, [string]$what) { [IO.File]::WriteAllText((Join-Path $venv ".hub-$part"), $what) }

function Test-Installed([string]$part) {
    (Test-Path -LiteralPath $program) -and (Get-Recorded $part) -eq (Get-Stamp) -and
        (Test-Path -LiteralPath (Join-Path $hubHome 'proto\messenger_hub\descriptors.binpb'))
}

# --- Python ---

# The path and the version of a Python that will do: 3.11 or newer, 64 bits, with venv, and not from Microsoft's Store, which keeps
# what its programs write to AppData in a place of its own that the browser does not see.
function Test-Python([string[]]$command) {
    # Without double quotes, which Windows PowerShell loses on the way to a program.
    $asked = "import sys, venv, ensurepip; " +
        "good = sys.version_info >= (3, 11) and sys.maxsize > 2**32 and 'WindowsApps' not in sys.base_prefix; " +
        "print(sys.executable, good, '%d.%d' % sys.version_info[:2], sep='|')"
    $rest = @($command | Select-Object -Skip 1)
    try {
        # Windows PowerShell makes an error of what a program writes to stderr.
        $ErrorActionPreference = 'Continue'
        $told = & $command[0] @rest -c $asked 2>$null
        if ($LASTEXITCODE -ne 0) { return $null }
    } catch { return $null }
    $parts = "$told".Trim() -split '\|'
    if ($parts.Count -ne 3 -or $parts[1] -ne 'True') { return $null }
    [pscustomobject]@{ Path = $parts[0]; Version = $parts[2] }
}

function Find-Python {
    if ($env:HUB_PYTHON) {
        $found = Test-Python @($env:HUB_PYTHON)
        if (-not $found) { Stop-Here "HUB_PYTHON=$($env:HUB_PYTHON) is no 64-bit Python 3.11 or newer that runs." }
        return $found
    }
    $commands = @()
    if (Get-Command 'py.exe' -ErrorAction SilentlyContinue) {
        foreach ($version in $versions) { $commands += , @('py.exe', "-$version") }
    }
    foreach ($version in $versions) {
        $short = $version -replace '\.', ''
        foreach ($root in $env:LOCALAPPDATA, $env:ProgramFiles) {
            if (-not $root) { continue }
            $below = if ($root -eq $env:LOCALAPPDATA) { "Programs\Python\Python$short" } else { "Python$short" }
            $path = Join-Path $root "$below\python.exe"
            if (Test-Path -LiteralPath $path) { $commands += , @($path) }
        }
    }
    if (Get-Command 'py.exe' -ErrorAction SilentlyContinue) { $commands += , @('py.exe', '-3') }
    foreach ($found in @(Get-Command 'python.exe' -All -CommandType Application -ErrorAction SilentlyContinue)) {
        # The one in WindowsApps only opens the Store.
        if ($found.Source -notmatch '\\WindowsApps\\') { $commands += , @($found.Source) }
    }
    foreach ($command in $commands) {
        $found = Test-Python $command
        if ($found) { return $found }
    }
    return $null
}

function Test-CanAsk { -not [Console]::IsInputRedirected -and -not [Console]::IsErrorRedirected }

function Get-Python {
    $found = Find-Python
    if ($found) { return $found }
    if ((Get-Command 'winget.exe' -ErrorAction SilentlyContinue) -and (Test-CanAsk)) {
        [Console]::Error.Write("hub: Python 3.11 or newer is not here. Install it for you alone, with winget? [y/N] ")
        if ([Console]::ReadLine() -match '^[Yy]') {
            $ErrorActionPreference = 'Continue'
            & winget.exe install --id Python.Python.3.13 --exact --source winget --scope user `
                --accept-package-agreements --accept-source-agreements | Out-Host
            $ErrorActionPreference = 'Stop'
            $found = Find-Python
            if ($found) { return $found }
        }
    }
    Stop-Here "Python 3.11 or newer was not found. Type: $wingetLine - or install it from python.org (not from the Store), or set HUB_PYTHON to its path."
}

# --- the environment ---

# Runs a step: its name, what to say when it fails, then a program and its arguments, whose output is kept for that.
function Invoke-Step([string]$name, [string]$failed, [string]$command, [string[]]$arguments) {
    $log = [IO.Path]::GetTempFileName()
    [Console]::Error.Write("hub: $name ... ")
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $ErrorActionPreference = 'Continue'
    & $command @arguments *> $log
    $code = $LASTEXITCODE
    $ErrorActionPreference = 'Stop'
    $seconds = [int]$watch.Elapsed.TotalSeconds
    if ($code -ne 0) {
        [Console]::Error.WriteLine("failed after $seconds s")
        Stop-Here $failed $log
    }
    [Console]::Error.WriteLine("$seconds s")
    Remove-Item -LiteralPath $log -ErrorAction SilentlyContinue
}

function New-Venv {
    # Scripts in an environment hold its path: one that was moved, or that an interrupted start left, is made anew.
    if ((Get-Recorded 'place') -eq $hubHome -and (Test-Path -LiteralPath $venvPython) -and (Test-Python @($venvPython))) { return }
    $python = Get-Python
    Invoke-Step "making .venv with Python $($python.Version) ($($python.Path))" `
        "No virtual environment could be made in ${hubHome}: is it writable, and is the disk full?" `
        $python.Path @('-m', 'venv', '--clear', $venv)
    Set-Recorded 'place' $hubHome
}

# The icon's packages are small here and need nothing of the system, so they always come along.
function Install-Project([string]$part, [string]$extras) {
    # Another start may be at it.
    $sum = [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash([Text.Encoding]::UTF8.GetBytes($hubHome)))
    $alone = New-Object Threading.Mutex($false, "Local\messenger-hub-$($sum -replace '-', '')")
    try {
        try { [void]$alone.WaitOne() } catch [Threading.AbandonedMutexException] { Write-Said 'an earlier installation was broken off' }
        if (Test-Installed $part) { return }
        New-Venv
        Push-Location -LiteralPath $hubHome
        try {
            # Nothing is compiled to byte code ahead: that takes most of the time, and Python compiles what it imports.
            $compile = $env:PIP_COMPILE
            $env:PIP_COMPILE = '0'
            Invoke-Step 'installing Messenger Hub and its libraries (the first time takes minutes)' `
                'The installation failed. Is the package index reachable, and has Messenger Hub been stopped? Run the same command again to go on.' `
                $venvPython @('-m', 'pip', 'install', '--disable-pip-version-check', '--editable', ".[$extras]")
        } finally {
            $env:PIP_COMPILE = $compile
            Pop-Location
        }
        Set-Recorded $part (Get-Stamp)
    } finally {
        try { $alone.ReleaseMutex() } catch { Write-Verbose 'not ours' }
        $alone.Dispose()
    }
}

# --- the browser ---

function Test-Browser {
    foreach ($name in 'chrome.exe', 'msedge.exe') {
        foreach ($hive in 'HKCU:', 'HKLM:') {
            if (Test-Path -LiteralPath "$hive\SOFTWARE\Microsoft\Windows\CurrentVersion\App Paths\$name") { return $true }
        }
    }
    foreach ($root in ${env:ProgramFiles(x86)}, $env:ProgramFiles, $env:LOCALAPPDATA) {
        foreach ($tail in 'Microsoft\Edge\Application\msedge.exe', 'Google\Chrome\Application\chrome.exe', 'Chromium\Application\chrome.exe') {
            if ($root -and (Test-Path -LiteralPath (Join-Path $root $tail))) { return $true }
        }
    }
    return $false
}

function Test-NeedsBrowser {
    $first = if ($words.Count -gt 0) { $words[0] } else { '' }
    $second = if ($words.Count -gt 1) { $words[1] } else { '' }
    foreach ($word in $words) { if ($word -in '--help', '-h' -or $word -eq '--browser' -or $word -like '--browser=*') { return $false } }
    if ($first -in 'up', 'demo', 'doctor', 'join') { return $true }
    $first -eq 'agent' -and $second -notin 'enrol', 'list', 'revoke'
}

function Write-Help {
    @'
Usage: hub COMMAND ...

Runs messenger-hub COMMAND and installs first what it needs: .venv beside this script. The browser is the Edge that Windows has.

  hub demo                  a message goes the whole way, on this machine alone
  hub up                    the hub and this desktop's agent: the everyday command
  hub package [FOLDER]      makes an app that needs no Python, with its installer (dist)
  hub help                  this, then the help of messenger-hub

HUB_PYTHON=PATH names the Python (3.11 or newer) to use when .venv is made. The tests run on Linux: ./hub test.

'@
}

$verb = if ($words.Count -gt 0) { $words[0] } else { '' }
switch ($verb) {
    'package' {
        if (-not (Test-Installed 'package')) { Install-Project 'package' 'agent,tray,package' }
        Push-Location -LiteralPath $hubHome
        try {
            $rest = @($words | Select-Object -Skip 1)
            & $venvPython -m installers @rest
            $code = $LASTEXITCODE
        } finally { Pop-Location }
        exit $code
    }
    { $_ -in 'help', '-h', '--help' } {
        Write-Help
        if (-not (Test-Installed 'project')) {
            'The rest follows once it is installed: hub --version does that.'
            exit 0
        }
        $words = @('--help')
    }
    { $_ -in 'test', 'bench', 'torture' } { Stop-Here "The tests and attacks need Linux: ./hub $verb there." }
    default {
        if ((Test-NeedsBrowser) -and -not (Test-Browser)) {
            Stop-Here 'No browser was found: install Microsoft Edge, Google Chrome or Chromium, or give --browser PATH.'
        }
        if (-not (Test-Installed 'project')) { Install-Project 'project' 'agent,tray' }
    }
}
# What it writes to stderr is no error of this script.
$ErrorActionPreference = 'Continue'
& $program @words
exit $LASTEXITCODE
