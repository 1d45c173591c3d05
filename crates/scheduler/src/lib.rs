//! The SDK for frameworks, and the client of the operator API.
