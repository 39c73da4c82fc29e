use std::time::Duration;

use tenantry_tenancy::{Role, Tenant, UserId};

use super::*;
use crate::HostTenant;
use crate::testing::World;
use crate::testing::world::PASSWORD;
use crate::{AuthError, LoginAttempt, Origin, Tokens};

const ADA: &str = "ada@acme.example";

/// A world in which Ada, who has no second factor, is a member of a tenant that may require one.
async fn world(require_mfa: bool) -> (World, Tenant, UserId) {
    let world = World::new().await;
    let acme = require(&world, world.add_tenant("acme"), require_mfa).await;
    let ada = world.add_person(ADA, &[(&acme, Role::Member)]).await;
    (world, acme, ada)
}

async fn require(world: &World, mut tenant: Tenant, require_mfa: bool) -> Tenant {
    tenant.settings.require_mfa = require_mfa;
    world.directory.put(tenant.clone());
    world.poll().await;
    tenant
}

async fn ticket(world: &World) -> String {
    match world.log_in(ADA, PASSWORD, Some("acme")).await {
        Err(LoginError::EnrolmentRequired(Some(ticket))) => ticket.reveal().to_owned(),
        other => panic!("{other:?}"),
    }
}

fn is_bad_ticket<T>(result: &Result<T, EnrolmentError>) -> bool {
    matches!(result, Err(EnrolmentError::Login(LoginError::Rejected(Rejection::Ticket))))
}

async fn confirm(world: &World, ticket: &str, code: &str) -> Result<(Tokens, Vec<String>), EnrolmentError> {
    let request = RequestId::generate();
    let enrolled = world.authenticator.confirm_enrolment(ticket, code, Arrival::default(), request).await?;
    Ok((world.authenticator.let_in(enrolled.proven).await?, enrolled.codes))
}

/// Enrols an authenticator as somebody does who is logged in with these tokens.
async fn enrol(world: &World, user: UserId, tokens: &Tokens) {
    let session = session(world, tokens).await;
    let (_, secret) = world.authenticator.begin_totp(user, PASSWORD, None).await.unwrap();
    let code = secret.code_at(world.authenticator.clock.now());
    world.authenticator.confirm_totp(user, session, &code, RequestId::generate()).await.unwrap();
}

async fn session(world: &World, tokens: &Tokens) -> SessionId {
    world.authenticate(&tokens.access).await.unwrap().session().unwrap()
}

/// Somebody who is logged in at a tenant that requires nothing, and a member of one that does.
async fn elsewhere() -> (World, UserId, Tokens) {
    let (world, _, ada) = world(true).await;
    let globex = world.add_tenant("globex");
    world.store.join(ada, globex.id, Role::Member);
    world.poll().await;
    let tokens = world.log_in(ADA, PASSWORD, Some("globex")).await.unwrap();
    (world, ada, tokens)
}

#[tokio::test(start_paused = true)]
async fn who_has_none_enrols_on_the_way_in_and_needs_it_from_then_on() {
    let (world, ..) = world(true).await;
    let ticket = ticket(&world).await;

    let (_, secret) = world.authenticator.begin_enrolment(&ticket).await.unwrap();
    let (tokens, codes) = confirm(&world, &ticket, &secret.code_at(world.authenticator.clock.now())).await.unwrap();

    assert!(world.authenticate(&tokens.access).await.is_ok());
    assert!(matches!(world.log_in(ADA, PASSWORD, None).await, Err(LoginError::SecondFactorRequired(None))));
    let attempt = LoginAttempt {
        email: ADA,
        password: PASSWORD,
        tenant: None,
        code: codes.first().map(String::as_str),
        origin: Origin::default(),
        device: None,
        host: &HostTenant::Anybodys,
    };
    assert!(world.authenticator.login(attempt).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_ticket_ends_with_its_use_its_time_and_the_password_and_opens_nothing_else() {
    let (world, _, ada) = world(true).await;
    let good = ticket(&world).await;
    let (_, secret) = world.authenticator.begin_enrolment(&good).await.unwrap();

    let last = if good.ends_with('A') { "B" } else { "A" };
    for bad in ["", "tnt_", "tnt_AAAA", "tnt_é", &format!("{}{last}", &good[..good.len() - 1]), &good[4..]] {
        assert!(is_bad_ticket(&world.authenticator.begin_enrolment(bad).await), "{bad}");
    }
    assert!(matches!(confirm(&world, &good, "not a code").await, Err(EnrolmentError::WrongCode)));
    confirm(&world, &good, &secret.code_at(world.authenticator.clock.now())).await.unwrap();
    assert!(is_bad_ticket(&world.authenticator.begin_enrolment(&good).await));
    assert!(is_bad_ticket(&confirm(&world, &good, "not a code").await));

    world.authenticator.factors.remove(ada, RequestId::generate()).await.unwrap();
    let late = ticket(&world).await;
    world.clock.advance(Duration::from_secs(600));
    assert!(is_bad_ticket(&world.authenticator.begin_enrolment(&late).await));

    let of_old_password = ticket(&world).await;
    let new = world.passwords.hash(&crate::Password::parse("forty-two purple elephants").unwrap()).await.unwrap();
    let old = world.authenticator.accounts.find(ada).await.unwrap().unwrap().password_hash;
    assert!(world.authenticator.store.set_password_hash(ada, old.as_ref(), &new).await.unwrap());
    assert!(is_bad_ticket(&world.authenticator.begin_enrolment(&of_old_password).await));
}

#[tokio::test(start_paused = true)]
async fn nothing_of_it_is_told_without_the_password() {
    let (world, ..) = world(true).await;

    let refused = world.log_in(ADA, "not the password", None).await;

    assert!(matches!(refused, Err(LoginError::Rejected(Rejection::Password))));
}

#[tokio::test(start_paused = true)]
async fn a_session_from_before_ends_with_its_next_refresh() {
    let (world, acme, ada) = world(false).await;
    let tokens = world.log_in(ADA, PASSWORD, None).await.unwrap();
    let kept = world.log_in(ADA, PASSWORD, None).await.unwrap();

    require(&world, acme, true).await;

    let refused = world.authenticator.refresh(&tokens.refresh).await;
    assert!(matches!(refused, Err(AuthError::Rejected(Rejection::FactorMissing))));
    let again = world.authenticator.refresh(&tokens.refresh).await;
    assert!(matches!(again, Err(AuthError::Rejected(Rejection::RefreshUnknown))), "no sign of theft");
    enrol(&world, ada, &kept).await;
    assert!(world.authenticator.refresh(&kept.refresh).await.is_ok(), "who enrols in time goes on");
}

#[tokio::test(start_paused = true)]
async fn nobody_switches_there_without_a_factor() {
    let (world, ada, tokens) = elsewhere().await;
    let session = session(&world, &tokens).await;

    let refused = world.authenticator.switch(ada, session, "acme").await;

    assert!(matches!(refused, Err(LoginError::EnrolmentRequired(None))));
}

#[tokio::test(start_paused = true)]
async fn no_ticket_shows_itself() {
    let (world, ..) = world(true).await;

    let refused = world.log_in(ADA, PASSWORD, None).await;

    assert_eq!(format!("{:?}", refused.unwrap_err()), "EnrolmentRequired(Some(TicketText(..)))");
}

#[tokio::test(start_paused = true)]
async fn a_factor_enrolled_later_says_nothing_of_a_session_from_before() {
    let (world, ada, stolen) = elsewhere().await;
    let own = world.log_in(ADA, PASSWORD, Some("globex")).await.unwrap();
    let (stolen, own_session) = (session(&world, &stolen).await, session(&world, &own).await);

    enrol(&world, ada, &own).await;

    assert!(world.authenticator.switch(ada, own_session, "acme").await.unwrap().is_some());
    let refused = world.authenticator.switch(ada, stolen, "acme").await;
    assert!(matches!(refused, Err(LoginError::SecondFactorRequired(None))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_proved_goes_along_with_a_switch() {
    let (world, ada, tokens) = elsewhere().await;
    enrol(&world, ada, &tokens).await;

    let there = world.authenticator.switch(ada, session(&world, &tokens).await, "acme").await.unwrap().unwrap();

    assert!(world.authenticator.refresh(&there.refresh).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_ticket_is_void_once_its_person_has_a_factor() {
    let (world, ada, tokens) = elsewhere().await;
    let (early, late) = (ticket(&world).await, ticket(&world).await);
    let (_, secret) = world.authenticator.begin_enrolment(&early).await.unwrap();
    let code = secret.code_at(world.authenticator.clock.now());

    world.add_passkey(ada, session(&world, &tokens).await).await;

    assert!(is_bad_ticket(&world.authenticator.begin_enrolment(&late).await));
    assert!(is_bad_ticket(&confirm(&world, &early, &code).await));
    let in_flight = world.authenticator.confirm_enrolled(ada, None, &code, RequestId::generate()).await;
    assert!(in_flight.is_err(), "nor does the store accept it");
    assert!(world.authenticator.enrol_totp(ada, false).await.is_err());
}
