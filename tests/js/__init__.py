"""The second verifier, in JavaScript, and the tests that compare it with ours."""
