//! Private keys at rest, encrypted under a key that the operator keeps elsewhere.

use std::{collections::HashSet, fmt};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::{
    jose::KeyProblem,
    names::KeyId,
    store::{PrivateKey, SealedKey},
};

/// The length of the key: AES-256.
const KEY_BYTES: usize = 32;

/// With fewer different bytes than this, 32 bytes are a pattern and no key. Random ones have 30 on average.
const MIN_DIFFERENT_BYTES: usize = 8;

/// A key that private keys rest under: whoever has the database alone can sign nothing.
#[derive(Clone)]
pub struct KeyEncryptionKey(Zeroizing<[u8; KEY_BYTES]>);

impl KeyEncryptionKey {
    /// Takes 32 random bytes.
    ///
    /// # Errors
    /// [`UnfitEncryptionKey::Pattern`]: they are not random.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Result<Self, UnfitEncryptionKey> {
        let bytes = Zeroizing::new(bytes);
        if bytes.iter().collect::<HashSet<_>>().len() < MIN_DIFFERENT_BYTES {
            return Err(UnfitEncryptionKey::Pattern);
        }
        Ok(Self(bytes))
    }

    /// Reads 32 random bytes as `openssl rand -base64 32` or `openssl rand -hex 32` writes them.
    ///
    /// # Errors
    /// [`UnfitEncryptionKey`]: it is something else.
    pub fn parse(text: &[u8]) -> Result<Self, UnfitEncryptionKey> {
        let text = text.trim_ascii();
        let bytes = if text.len() == 2 * KEY_BYTES { decode_hex(text) } else { STANDARD.decode(text).ok() };
        let bytes = Zeroizing::new(bytes.ok_or(UnfitEncryptionKey::Malformed)?);
        Self::new(<[u8; KEY_BYTES]>::try_from(bytes.as_slice()).map_err(|_| UnfitEncryptionKey::Malformed)?)
    }

    /// Encrypts a private key, bound to its name, so that none can be put in the place of another.
    pub(super) fn seal(&self, id: &KeyId, key: &PrivateKey) -> Result<SealedKey, KeyProblem> {
        let mut text = Zeroizing::new(key.secret().to_vec());
        let nonce = self.cipher()?.seal_in_place_append_tag(Aad::from(id.as_str()), &mut *text)?;
        Ok(SealedKey::from_bytes([nonce.as_ref(), text.as_slice()].concat()))
    }

    /// Decrypts what [`KeyEncryptionKey::seal`] made; `None` if it was made with another key, or for another name.
    pub(super) fn open(&self, id: &KeyId, sealed: &SealedKey) -> Option<PrivateKey> {
        let (nonce, text) = sealed.as_bytes().split_first_chunk::<NONCE_LEN>()?;
        let mut text = Zeroizing::new(text.to_vec());
        let cipher = self.cipher().ok()?;
        let opened = cipher.open_in_place(Nonce::from(nonce), Aad::from(id.as_str()), &mut text).ok()?;
        Some(PrivateKey::from_pkcs8(&*opened))
    }

    /// It makes its nonces itself, of the operating system's randomness.
    fn cipher(&self) -> Result<RandomizedNonceKey, KeyProblem> {
        Ok(RandomizedNonceKey::new(&AES_256_GCM, &*self.0)?)
    }
}

fn decode_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.chunks(2).map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?)).collect()
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyEncryptionKey([redacted])")
    }
}

/// Why a key for private keys is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitEncryptionKey {
    /// Not 32 bytes in base64 or in hex.
    #[error("it is not 32 bytes in base64 or hex, as `openssl rand -base64 32` makes them")]
    Malformed,
    /// A few bytes over and over.
    #[error("it is a pattern of a few bytes, not a random key")]
    Pattern,
}
