"""python -m messenger_hub_cli: the command, for programs that start it as a child."""

from messenger_hub_cli.main import main

main()
