@echo off
rem Runs messenger-hub, and makes what it needs first: see hub.ps1. The policy is for this one run.
powershell.exe -NoLogo -NoProfile -ExecutionPolicy Bypass -File "%~dp0hub.ps1" %*
exit /b %ERRORLEVEL%
