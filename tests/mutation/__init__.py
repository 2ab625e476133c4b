"""What mutation testing of the verifier needs: its plug-in and the list of known survivors."""
