"""What the rules of risk are computed with: exact money, which exposures are the same, sizes within limits."""
