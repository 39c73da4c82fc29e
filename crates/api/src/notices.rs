//! Mails that tell a person what was done with their account, in case it was somebody else.

use tenantry_app::Mail;
use tenantry_tenancy::Email;

/// What was done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Notice {
    PasswordChanged,
    AuthenticatorAdded,
    AuthenticatorRemoved,
    PasskeyAdded,
    PasskeyRemoved,
}

impl Notice {
    /// The mail that says so.
    pub(crate) fn to(self, to: Email) -> Mail {
        let (subject, text) = match self {
            Self::PasswordChanged => (
                "Your password was changed",
                "The password of your account was changed, and its other sessions have ended.\n\n\
                 If it was not you, set another one right away.\n",
            ),
            Self::AuthenticatorAdded => (
                "An authenticator was added",
                "An authenticator was added to your account: from now on a login asks for a second factor.\n\n\
                 If it was not you, set another password right away, and tell an administrator of yours.\n",
            ),
            Self::AuthenticatorRemoved => (
                "Your authenticator was removed",
                "The authenticator of your account was removed: its codes let nobody in any more.\n\n\
                 If it was not you, set another password right away, and enrol an authenticator.\n",
            ),
            Self::PasskeyAdded => (
                "A passkey was added",
                "A passkey was added to your account: whoever has it can log in.\n\n\
                 If it was not you, remove it and set another password right away.\n",
            ),
            Self::PasskeyRemoved => (
                "A passkey was removed",
                "A passkey of your account was removed: nobody can log in with it any more.\n\n\
                 If it was not you, set another password right away.\n",
            ),
        };
        Mail { to, subject: subject.to_owned(), text: text.to_owned() }
    }
}
