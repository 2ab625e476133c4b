"""Keys in hardware: Ed25519 through a PKCS #11 module. The private key never comes here."""
