//! The end-to-end suite: everything is in `it/`, one test binary with a harness that starts the real server.
