//! Bootstrap tokens: what a new node proves itself with, `abcdef.0123456789abcdef`.

use std::{fmt, str::FromStr};

use zeroize::Zeroizing;

use crate::{Error, random};

const ID_LENGTH: usize = 6;
const SECRET_LENGTH: usize = 16;
const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// A token of the form `[a-z0-9]{6}.[a-z0-9]{16}` (`k8s.io/cluster-bootstrap/token/api`).
/// `Display` writes it whole, secret included; `Debug` writes only the id, which is public.
#[derive(Clone, PartialEq, Eq)]
pub struct BootstrapToken {
    id: String,
    secret: Zeroizing<String>,
}

/// Why a text is no bootstrap token. The secret itself is never quoted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootstrapTokenError {
    /// There is not exactly one dot.
    #[error("bootstrap token has {parts} part(s) between dots; expected <id>.<secret>")]
    NotTwoParts {
        /// How many there were.
        parts: usize,
    },
    /// The id is too short or too long.
    #[error("token id has {length} characters; expected {ID_LENGTH}")]
    IdLength {
        /// Characters found.
        length: usize,
    },
    /// The id has a character other than a to z and 0 to 9.
    #[error("token id {id:?} may hold only a-z and 0-9")]
    IdCharacters {
        /// The id found.
        id: String,
    },
    /// The secret is too short or too long.
    #[error("token secret has {length} characters; expected {SECRET_LENGTH}")]
    SecretLength {
        /// Characters found.
        length: usize,
    },
    /// The secret has a character other than a to z and 0 to 9.
    #[error("token secret may hold only a-z and 0-9")]
    SecretCharacters,
}

impl BootstrapToken {
    /// A new random token: every character is drawn evenly.
    ///
    /// # Errors
    /// [`Error::RandomnessUnavailable`].
    pub fn generate() -> Result<Self, Error> {
        Ok(Self {
            id: random_characters(ID_LENGTH)?,
            secret: Zeroizing::new(random_characters(SECRET_LENGTH)?),
        })
    }

    /// A token from `token-id` and `token-secret` of its Secret.
    ///
    /// # Errors
    /// Which of the two is wrong, and how.
    pub fn from_parts(id: &str, secret: &str) -> Result<Self, BootstrapTokenError> {
        let (id_length, secret_length) = (id.chars().count(), secret.chars().count());
        if id_length != ID_LENGTH {
            return Err(BootstrapTokenError::IdLength { length: id_length });
        }
        if !id.bytes().all(|byte| ALPHABET.contains(&byte)) {
            return Err(BootstrapTokenError::IdCharacters { id: id.to_owned() });
        }
        if secret_length != SECRET_LENGTH {
            return Err(BootstrapTokenError::SecretLength { length: secret_length });
        }
        // Not a lookup in ALPHABET: upstream also keeps memory access independent of the secret.
        if !secret.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            return Err(BootstrapTokenError::SecretCharacters);
        }
        Ok(Self { id: id.to_owned(), secret: Zeroizing::new(secret.to_owned()) })
    }

    /// The public half: names the Secret and the signature on cluster-info.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The secret half.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

impl FromStr for BootstrapToken {
    type Err = BootstrapTokenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('.').collect();
        match parts.as_slice() {
            [id, secret] => Self::from_parts(id, secret),
            _ => Err(BootstrapTokenError::NotTwoParts { parts: parts.len() }),
        }
    }
}

impl fmt::Display for BootstrapToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.id, *self.secret)
    }
}

impl fmt::Debug for BootstrapToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BootstrapToken({}.<redacted>)", self.id)
    }
}

fn random_characters(length: usize) -> Result<String, Error> {
    let mut characters = String::with_capacity(length);
    while characters.len() < length {
        let [byte] = random::bytes::<1>()?;
        characters.extend(even_character(byte));
    }
    Ok(characters)
}

/// The character for a random byte. 252 is the largest multiple of 36 in a byte: the four values
/// beyond it would make `a` to `d` likelier than the rest, so they are drawn again.
fn even_character(byte: u8) -> Option<char> {
    (byte < 252).then(|| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_character_stands_for_the_same_number_of_bytes() {
        let mut counts = BTreeMap::new();
        for character in (0..=u8::MAX).filter_map(even_character) {
            *counts.entry(character).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 36);
        assert!(counts.values().all(|count| *count == 7), "{counts:?}");
    }
}
