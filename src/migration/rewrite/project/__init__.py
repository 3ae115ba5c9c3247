"""What the files of a project share: clients, the set-up of SDK modules and exceptions."""
