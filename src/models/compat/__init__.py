"""Let a model behave as the SDK that a program was written for, for calls that a migration has moved to the factory."""
