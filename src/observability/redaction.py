def redact_text(t):
    return t


def redact(v):
    return v
