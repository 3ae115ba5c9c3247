"""What pages ask stores for."""
