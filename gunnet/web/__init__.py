"""What people and browsers see over plain HTTP."""
