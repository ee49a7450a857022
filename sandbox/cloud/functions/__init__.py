"""Lambda's execution: functions run from their real zip, each in a process of its own that stays warm."""
