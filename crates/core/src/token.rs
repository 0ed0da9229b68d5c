//! The name of one op in flight: a slot's index and the generation of its use.
//!
//! A token is what travels through the kernel as `user_data`. It is never a pointer: a completion
//! that comes late, or twice, or for a slot that was given to somebody else since, fails the
//! generation check and touches no memory.

#![forbid(unsafe_code)]

/// Index (low 32 bits) and generation (high 32 bits) of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Token(u64);

/// Indices from here on are no slots: drivers use them for their own completions (the answer to a
/// cancel request, the doorbell of an inbox), which have nobody to tell.
pub const INTERNAL_INDEX_MIN: u32 = 0xFFFF_0000;

impl Token {
    /// The token of slot `index` in its `generation`.
    #[inline]
    pub const fn new(index: u32, generation: u32) -> Self {
        Self(((generation as u64) << 32) | index as u64)
    }

    /// A token that names no slot; `tag` and `payload` are the driver's own.
    #[inline]
    pub const fn internal(tag: u16, payload: u32) -> Self {
        Self::new(INTERNAL_INDEX_MIN | tag as u32, payload)
    }

    /// The slot's index.
    #[inline]
    pub const fn index(self) -> u32 {
        self.0 as u32
    }

    /// Which use of the slot this names.
    #[inline]
    pub const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The driver's own tag, where this token names no slot.
    #[inline]
    pub const fn internal_tag(self) -> Option<u16> {
        if self.index() >= INTERNAL_INDEX_MIN { Some(self.index() as u16) } else { None }
    }

    /// As the kernel's `user_data`.
    #[inline]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// From the kernel's `user_data`.
    #[inline]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({}#{})", self.index(), self.generation())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_index_and_generation_apart() {
        let token = Token::new(7, u32::MAX);
        assert_eq!((token.index(), token.generation()), (7, u32::MAX));
        assert_eq!(Token::from_bits(token.to_bits()), token);
        assert_eq!(token.internal_tag(), None);
    }

    #[test]
    fn internal_tokens_never_look_like_slots() {
        let token = Token::internal(3, 9);
        assert_eq!(token.internal_tag(), Some(3));
        assert_eq!(token.generation(), 9);
    }
}
