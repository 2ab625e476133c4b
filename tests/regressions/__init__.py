"""What other shops and ledgers got wrong, each as a test of this one."""
