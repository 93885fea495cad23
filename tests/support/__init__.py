"""What the tests stand on: real servers, a real browser, and the means to wait for them."""
