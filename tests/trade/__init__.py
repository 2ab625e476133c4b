"""Trade as a whole: the way of a sale through the ledger, and its verdict."""
