//! Logging in with a passkey, after a password or without one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tenantry_tenancy::{TenantId, UserId};

use super::verifying::Signed;
use super::{Asked, CeremonyKind, CeremonyToken, Flaw, decoded};
use crate::lockout::Attempt;
use crate::logins::choose;
use crate::tickets::Purpose;
use crate::{Account, Arrival, Authenticator, LoginError, Proof, Proven, Rejection};

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

impl Authenticator {
    /// Asks for a passkey: of the holder of a ticket, or of anybody.
    pub async fn ask_for_passkey(&self, ticket: Option<&str>) -> Result<PasskeyQuestion, LoginError> {
        let _turn = self.ceremonies.pass().await?;
        let (asked, own) = match ticket {
            Some(ticket) => {
                let (ticket, _) = self.admit(Purpose::Prove, ticket).await?;
                let asked = Asked { user: Some(ticket.user), tenant: Some(ticket.tenant), ..Asked::default() };
                (asked, self.passkeys(ticket.user).await?)
            }
            None => (Asked::default(), Vec::new()),
        };
        let (ceremony, challenge) = self.begin_ceremony(CeremonyKind::Login, asked).await?;
        let allowed = own.iter().map(|it| URL_SAFE_NO_PAD.encode(&it.credential)).collect();
        Ok(PasskeyQuestion { ceremony, challenge, allowed })
    }

    /// Proves whoever answers with their passkey for a login: at the tenant of the ticket that was shown, or the one named, or the
    /// only active one they belong to. Which tenant it is to be is only asked of somebody who was proven.
    pub async fn prove_by_passkey(
        &self,
        answer: PasskeyAnswer<'_>,
        tenant: Option<&str>,
        arrival: Arrival<'_>,
    ) -> Result<Proven, LoginError> {
        let _turn = self.ceremonies.pass().await?;
        let (user, ticketed) = self.prove_passkey(answer).await?;
        let Account { email, password_hash, memberships, .. } =
            self.accounts.find(user).await?.ok_or(Rejection::Membership)?;
        let tenant = match ticketed {
            Some(tenant) => tenant,
            None => choose(&memberships, tenant, arrival.host)?.tenant,
        };
        // The password that a ticket stands for was counted as an attempt that failed, so far.
        let attempt = Attempt::new(email, arrival, self.clock.now());
        let device = self.welcome(&attempt, user, arrival).await?;
        Ok(Proven { user, tenant, device, proof: Proof { password_hash, second_factor: true } })
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
}
