// Package seal encrypts what an edge stores and sends so that only the cloud's
// ingest can read it, and proves which device it is from.
//
// An edge draws a session key (32 random bytes, memory only), wraps it to the
// cloud's ingest key with RSA-OAEP-SHA256 (RFC 8017) and signs the result with
// its certificate's key: that is the session object. Everything else is sealed
// with AES-256-GCM (NIST SP 800-38D, random 96 bit nonces) or authenticated with
// HMAC-SHA256 under keys derived from the session key by HKDF-SHA256 (RFC 5869).
package seal
