//! Requests, answers and views every face shares, and the client for faces in another process.
