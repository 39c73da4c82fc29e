//! Passkeys (Web Authentication Level 3): keys that a person's devices hold and that answer one relying party alone.
//!
//! A ceremony is a question that is answered once: it is kept until then or for five minutes. A passkey proves two factors at
//! once, for it answers only after its person has proven themselves to their device; so it can stand in for a code after a
//! password, and for both.

mod verifying;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use tenantry_tenancy::{RequestId, StoreError, TenantId, UserId, id, text, words};

use crate::credentials::TokenDigest;
use crate::logins::choose;
use crate::opaque::{self, opaque_token};
use crate::tickets::Purpose;
use crate::{Authenticator, FactorError, Ground, LoginError, Proof, Rejection, Tokens};

pub(crate) use verifying::Signed;
pub use verifying::{Flaw, PublicKey, RelyingParty};

/// How long a ceremony may take.
pub const CEREMONY_LIFETIME: TimeDelta = TimeDelta::minutes(5);
/// How many passkeys a person may have.
pub const MOST_PASSKEYS: usize = 20;

id!(
    /// One passkey.
    PasskeyId
);
text!(
    /// What a person calls a passkey.
    PasskeyName,
    Line,
    120
);
words!(
    /// What a ceremony is for.
    CeremonyKind {
        /// Adding a passkey to one's account.
        Registration = "registration",
        /// Logging in with one.
        Login = "login",
    }
);
opaque_token!(
    /// Names a ceremony to whoever began it.
    CeremonyToken,
    "tnc_"
);

/// Keeps passkeys and the ceremonies that are under way. Each method is one transaction.
#[async_trait]
pub trait PasskeyStore: Send + Sync {
    /// Takes note of a ceremony.
    async fn begin_ceremony(&self, ceremony: &Ceremony, now: DateTime<Utc>) -> Result<(), StoreError>;

    /// The ceremony, which is over with that; `None` if there is none of this kind or it took too long.
    async fn take_ceremony(
        &self,
        digest: &TokenDigest,
        kind: CeremonyKind,
        now: DateTime<Utc>,
    ) -> Result<Option<Ceremony>, StoreError>;

    /// Adds a passkey; false if somebody has one with that credential, or the person has [`MOST_PASSKEYS`].
    async fn add_passkey(&self, new: &NewPasskey) -> Result<bool, StoreError>;

    /// A person's passkeys, the oldest first.
    async fn passkeys_of(&self, user: UserId) -> Result<Vec<OwnPasskey>, StoreError>;

    /// The passkey with this credential.
    async fn passkey(&self, credential: &[u8]) -> Result<Option<StoredPasskey>, StoreError>;

    /// Takes note that a passkey was used; false if its counter did not go up, though it counts, or it is gone.
    async fn use_passkey(&self, id: PasskeyId, counter: u32, now: DateTime<Utc>) -> Result<bool, StoreError>;

    /// Removes one of a person's passkeys, and with their last factor their recovery codes; false if they have no such one.
    async fn remove_passkey(&self, user: UserId, id: PasskeyId, request: RequestId) -> Result<bool, StoreError>;
}

/// A ceremony under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceremony {
    /// The digest of its token.
    pub digest: TokenDigest,
    /// What it is for.
    pub kind: CeremonyKind,
    /// The digest of its challenge.
    pub challenge: TokenDigest,
    /// Who must answer, if that is known.
    pub user: Option<UserId>,
    /// Where they want to be let in, if that is known.
    pub tenant: Option<TenantId>,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// A passkey about to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPasskey {
    /// Its id.
    pub id: PasskeyId,
    /// Whose.
    pub user: UserId,
    /// What its authenticator knows it by.
    pub credential: Vec<u8>,
    /// What verifies its signatures.
    pub key: PublicKey,
    /// How often it has signed, if it counts.
    pub counter: u32,
    /// What its person calls it.
    pub name: PasskeyName,
    /// When.
    pub now: DateTime<Utc>,
    /// In which request.
    pub request: RequestId,
}

/// A passkey as its person sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPasskey {
    /// Its id.
    pub id: PasskeyId,
    /// What its authenticator knows it by.
    pub credential: Vec<u8>,
    /// What its person calls it.
    pub name: PasskeyName,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last used to log in.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A passkey as it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPasskey {
    /// Its id.
    pub id: PasskeyId,
    /// Whose.
    pub user: UserId,
    /// What verifies its signatures.
    pub key: PublicKey,
}

/// What an authenticator is to make a passkey from.
#[derive(Debug)]
pub struct PasskeyOffer {
    /// Names the ceremony.
    pub ceremony: CeremonyToken,
    /// What is to be answered.
    pub challenge: String,
    /// Whose passkey it is to be: their id as authenticators keep it, and what they log in with.
    pub user: (String, String),
    /// The credentials the person has already.
    pub known: Vec<String>,
}

/// What a passkey is to sign.
#[derive(Debug)]
pub struct PasskeyQuestion {
    /// Names the ceremony.
    pub ceremony: CeremonyToken,
    /// What is to be answered.
    pub challenge: String,
    /// The credentials that may answer; any that the device has if there is none here.
    pub allowed: Vec<String>,
}

/// A passkey that was just made, as a browser hands it over: all but the ceremony in base64url.
#[derive(Clone, Copy)]
pub struct PasskeyMade<'a> {
    /// The token of the ceremony.
    pub ceremony: &'a str,
    /// The credential's id.
    pub id: &'a str,
    /// What the browser says was asked.
    pub client_data: &'a str,
    /// What the authenticator says, with an attestation.
    pub attestation: &'a str,
}

/// What a passkey signed, as a browser hands it over: all but the ceremony in base64url.
#[derive(Clone, Copy)]
pub struct PasskeyAnswer<'a> {
    /// The token of the ceremony.
    pub ceremony: &'a str,
    /// The credential's id.
    pub id: &'a str,
    /// What the browser says was asked.
    pub client_data: &'a str,
    /// What the authenticator says.
    pub authenticator_data: &'a str,
    /// Its signature over both.
    pub signature: &'a str,
    /// Whose the authenticator says the passkey is.
    pub user: Option<&'a str>,
}

/// Why a passkey was not added.
#[derive(Debug, thiserror::Error)]
pub enum PasskeyError {
    /// Password, or something that could not be found out.
    #[error(transparent)]
    Factor(#[from] FactorError),
    /// It is not what was asked for.
    #[error("the passkey is not good")]
    Flawed(#[from] Flaw),
    /// Somebody has it already, or the person has too many.
    #[error("the passkey exists, or there are {MOST_PASSKEYS} already")]
    Taken,
}

impl From<StoreError> for PasskeyError {
    fn from(error: StoreError) -> Self {
        Self::Factor(error.into())
    }
}

impl Authenticator {
    /// Who passkeys are for.
    pub const fn relying_party(&self) -> &RelyingParty {
        &self.relying_party
    }

    /// A person's passkeys.
    pub async fn passkeys(&self, user: UserId) -> Result<Vec<OwnPasskey>, StoreError> {
        self.passkeys.passkeys_of(user).await
    }

    /// Removes one of a person's passkeys; false if they have no such one.
    pub async fn remove_passkey(&self, user: UserId, id: PasskeyId, request: RequestId) -> Result<bool, StoreError> {
        self.passkeys.remove_passkey(user, id, request).await
    }

    /// Begins to add a passkey, for somebody who proves their password once more.
    pub async fn begin_passkey(&self, user: UserId, password: &str) -> Result<PasskeyOffer, PasskeyError> {
        self.check_password(user, password).await?;
        let account = self.accounts.find(user).await?.ok_or(FactorError::WrongPassword)?;
        let known = self.passkeys(user).await?.iter().map(|it| URL_SAFE_NO_PAD.encode(&it.credential)).collect();
        let (ceremony, challenge) = self.begin_ceremony(CeremonyKind::Registration, Some(user), None).await?;
        let handle = URL_SAFE_NO_PAD.encode(user.as_uuid().as_bytes());
        Ok(PasskeyOffer { ceremony, challenge, user: (handle, account.email.to_string()), known })
    }

    /// Adds a passkey that was made. Whoever has no recovery codes gets some.
    pub async fn finish_passkey(
        &self,
        user: UserId,
        made: PasskeyMade<'_>,
        name: PasskeyName,
        request: RequestId,
    ) -> Result<(OwnPasskey, Vec<String>), PasskeyError> {
        let now = self.clock.now();
        let ceremony = self.take_ceremony(made.ceremony, CeremonyKind::Registration).await?.ok_or(Flaw::Ceremony)?;
        if ceremony.user != Some(user) {
            return Err(Flaw::Person.into());
        }
        let client_data = decoded(made.client_data).ok_or(Flaw::ClientData)?;
        let attestation = decoded(made.attestation).ok_or(Flaw::Attestation)?;
        let registered = self.relying_party.registered(&ceremony.challenge, &client_data, &attestation)?;
        if decoded(made.id).as_ref() != Some(&registered.credential) {
            return Err(Flaw::AuthenticatorData.into());
        }
        let (id, credential) = (PasskeyId::generate(), registered.credential);
        let own =
            OwnPasskey { id, credential: credential.clone(), name: name.clone(), created_at: now, last_used_at: None };
        let new =
            NewPasskey { id, user, credential, key: registered.key, counter: registered.counter, name, now, request };
        if !self.passkeys.add_passkey(&new).await? {
            return Err(PasskeyError::Taken);
        }
        let has_codes = self.factors.recovery_left(user).await? > 0;
        let codes = if has_codes { Vec::new() } else { self.new_recovery_codes(user, request).await? };
        Ok((own, codes))
    }

    /// Asks for a passkey: of the holder of a ticket, or of anybody.
    pub async fn ask_for_passkey(&self, ticket: Option<&str>) -> Result<PasskeyQuestion, LoginError> {
        let ticket = match ticket {
            Some(ticket) => Some(self.admit(Purpose::Prove, ticket).await?),
            None => None,
        };
        let own = match ticket {
            Some(ticket) => self.passkeys(ticket.user).await?,
            None => Vec::new(),
        };
        let (user, tenant) = (ticket.map(|it| it.user), ticket.map(|it| it.tenant));
        let (ceremony, challenge) = self.begin_ceremony(CeremonyKind::Login, user, tenant).await?;
        let allowed = own.iter().map(|it| URL_SAFE_NO_PAD.encode(&it.credential)).collect();
        Ok(PasskeyQuestion { ceremony, challenge, allowed })
    }

    /// Lets in whoever answers with their passkey: at the tenant of the ticket that was shown, or the one named, or the only
    /// active one they belong to. Which tenant it is to be is only asked of somebody who was proven.
    pub async fn enter_by_passkey(
        &self,
        answer: PasskeyAnswer<'_>,
        tenant: Option<&str>,
    ) -> Result<Tokens, LoginError> {
        let (user, ticketed) = self.prove_passkey(answer).await?;
        let account = self.accounts.find(user).await?.ok_or(Rejection::Membership)?;
        let tenant = match ticketed {
            Some(tenant) => tenant,
            None => choose(&account.memberships, tenant)?.tenant,
        };
        let proof = Proof { password_hash: account.password_hash, second_factor: true };
        self.begin(user, tenant, Ground::Proof(proof)).await
    }

    async fn prove_passkey(&self, answer: PasskeyAnswer<'_>) -> Result<(UserId, Option<TenantId>), LoginError> {
        let flawed = |flaw: Flaw| LoginError::from(Rejection::Passkey(flaw));
        let ceremony = self.take_ceremony(answer.ceremony, CeremonyKind::Login).await?;
        let ceremony = ceremony.ok_or(flawed(Flaw::Ceremony))?;
        let credential = decoded(answer.id).ok_or(flawed(Flaw::Unknown))?;
        let passkey = self.passkeys.passkey(&credential).await?.ok_or(flawed(Flaw::Unknown))?;
        let said = answer.user.map(|user| decoded(user).as_deref() == Some(passkey.user.as_uuid().as_bytes()));
        let is_theirs = match ceremony.user {
            Some(asked) => asked == passkey.user && said != Some(false),
            // Nobody was asked in particular: then the passkey itself must say whose it is.
            None => said == Some(true),
        };
        if !is_theirs {
            return Err(flawed(Flaw::Person));
        }
        let client_data = decoded(answer.client_data).ok_or(flawed(Flaw::ClientData))?;
        let authenticator_data = decoded(answer.authenticator_data).ok_or(flawed(Flaw::AuthenticatorData))?;
        let signature = decoded(answer.signature).ok_or(flawed(Flaw::Signature))?;
        let signed =
            Signed { client_data: &client_data, authenticator_data: &authenticator_data, signature: &signature };
        let counter = self.relying_party.signed(&ceremony.challenge, &signed, &passkey.key).map_err(flawed)?;
        if !self.passkeys.use_passkey(passkey.id, counter, self.clock.now()).await? {
            return Err(Rejection::PasskeyCopied(passkey.id).into());
        }
        Ok((passkey.user, ceremony.tenant))
    }

    async fn begin_ceremony(
        &self,
        kind: CeremonyKind,
        user: Option<UserId>,
        tenant: Option<TenantId>,
    ) -> Result<(CeremonyToken, String), StoreError> {
        let (token, now) = (CeremonyToken::generate(), self.clock.now());
        let challenge = opaque::encode("", &opaque::random());
        let ceremony = Ceremony {
            digest: token.digest(),
            kind,
            challenge: TokenDigest::of(&challenge),
            user,
            tenant,
            expires_at: now + CEREMONY_LIFETIME,
        };
        self.passkeys.begin_ceremony(&ceremony, now).await?;
        Ok((token, challenge))
    }

    async fn take_ceremony(&self, token: &str, kind: CeremonyKind) -> Result<Option<Ceremony>, StoreError> {
        let Some(token) = CeremonyToken::parse(token) else { return Ok(None) };
        self.passkeys.take_ceremony(&token.digest(), kind, self.clock.now()).await
    }
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests;
