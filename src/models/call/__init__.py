"""Run one model call: the layer of attempts, retries, repair and recording between BaseModel and an adapter's hooks."""
