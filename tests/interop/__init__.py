"""Tools that know nothing of this project read what it publishes."""
