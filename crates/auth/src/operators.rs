//! Operators' tokens: opaque, with a checksum, so that a mistyped or guessed one costs no query.

use crate::opaque::checked_token;

checked_token!(
    /// The token of somebody who runs the service. Shown once, when it is made; the store gets the digest.
    ///
    /// Spelled `tno_`, 43 characters base64url (256 random bits), 6 hexadecimal digits: the start of the SHA-256 of all before
    /// them. The checksum is no secret, it only tells a token from a typing error.
    OperatorToken,
    "tno_"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_a_damaged_one_is_not() {
        let token = OperatorToken::generate();
        let text = token.reveal().to_owned();

        assert_eq!(text.len(), 53);
        assert!(OperatorToken::parse(&text) == Some(token));
        for at in 0..text.len() {
            let mut damaged = text.clone().into_bytes();
            damaged[at] = if damaged[at] == b'0' { b'1' } else { b'0' };
            assert!(OperatorToken::parse(std::str::from_utf8(&damaged).unwrap()).is_none(), "at {at}");
        }
        for bad in ["", "tno_", "é", "tno_ééé", &text[..52], &format!("{text}0"), &text.to_uppercase()] {
            assert!(OperatorToken::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_token_is_not_shown() {
        assert_eq!(format!("{:?}", OperatorToken::generate()), "OperatorToken(..)");
    }
}
