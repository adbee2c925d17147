//! Random bytes from the operating system, through the one cryptographic provider.

use crate::Error;

/// `N` random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::RandomnessUnavailable)?;
    Ok(bytes)
}
