"""Run one model call: attempts, retries, repair, recording and the driving of its steps."""
