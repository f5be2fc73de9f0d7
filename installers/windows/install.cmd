@echo off
rem Installs Messenger Hub for the user who starts this: see install.ps1. The policy is for this one run.
powershell.exe -NoLogo -NoProfile -ExecutionPolicy Bypass -File "%~dp0install.ps1" %*
if errorlevel 1 pause
exit /b %ERRORLEVEL%
