"""Real servers killed with SIGKILL at named points, and started again."""
