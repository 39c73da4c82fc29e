use tenantry_tenancy::{Role, Tenant};

use super::*;
use crate::CredentialStore;
use crate::testing::World;
use crate::testing::world::PASSWORD;

const CHOSEN: &str = "forty-two purple elephants";

fn ada() -> Email {
    Email::parse("ada@acme.example").unwrap()
}

async fn world() -> (World, Tenant) {
    let world = World::new().await;
    let acme = world.add_tenant("acme");
    (world, acme)
}

async fn accept(world: &World, token: &InvitationToken, password: Option<&str>) -> Result<(), JoiningError> {
    world.authenticator.accept_invitation(&token.reveal(), None, password, RequestId::generate()).await
}

fn invite(world: &World, acme: &Tenant) -> InvitationToken {
    world.store.invite(ada(), acme.id, Role::Viewer, world.authenticator.clock.now() + INVITATION_LIFETIME)
}

#[tokio::test(start_paused = true)]
async fn somebody_new_joins_with_the_password_they_choose_once() {
    let (world, acme) = world().await;
    let token = invite(&world, &acme);

    assert!(matches!(accept(&world, &token, None).await, Err(JoiningError::PasswordMissing)));
    assert!(matches!(accept(&world, &token, Some("acme acme acme acme")).await, Err(JoiningError::Unacceptable(_))));
    accept(&world, &token, Some(CHOSEN)).await.unwrap();

    assert!(world.log_in("ada@acme.example", CHOSEN, Some("acme")).await.is_ok());
    assert!(matches!(accept(&world, &token, Some(CHOSEN)).await, Err(JoiningError::WrongToken)));
}

#[tokio::test(start_paused = true)]
async fn somebody_with_an_account_proves_their_password_and_keeps_it() {
    let (world, acme) = world().await;
    let globex = world.add_tenant("globex");
    world.add_person("ada@acme.example", &[(&globex, Role::Owner)]).await;
    let token = invite(&world, &acme);

    assert!(matches!(accept(&world, &token, Some(CHOSEN)).await, Err(JoiningError::Rejected(Rejection::Password))));
    accept(&world, &token, Some(PASSWORD)).await.unwrap();

    assert!(world.log_in("ada@acme.example", PASSWORD, Some("acme")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_invitation_is_answered_in_time_or_not_at_all() {
    let (world, acme) = world().await;
    let token = invite(&world, &acme);

    world.clock.advance(INVITATION_LIFETIME);

    assert!(matches!(accept(&world, &token, Some(CHOSEN)).await, Err(JoiningError::WrongToken)));
    for bad in ["", "tni_", "tnp_x", &InvitationToken::generate().reveal()] {
        let refused = world.authenticator.accept_invitation(bad, None, Some(CHOSEN), RequestId::generate()).await;
        assert!(matches!(refused, Err(JoiningError::WrongToken)), "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_signs_up_gets_one_mail_a_minute_and_a_day_to_confirm() {
    let (world, _) = world().await;
    let ask = async || world.authenticator.sign_up(signup()).await.unwrap();
    let confirm =
        async |token: &SignupToken, password| world.authenticator.confirm_signup(&token.reveal(), None, password).await;

    let first = ask().await.unwrap();
    assert!(ask().await.is_none());
    world.clock.advance(SIGNUP_PAUSE);
    let second = ask().await.unwrap();

    assert!(matches!(confirm(&first, Some(CHOSEN)).await, Err(JoiningError::WrongToken)));
    assert!(matches!(confirm(&second, None).await, Err(JoiningError::PasswordMissing)));
    assert!(matches!(confirm(&second, Some("ada-and-sons ada-and-sons")).await, Err(JoiningError::Unacceptable(_))));
    assert_eq!(confirm(&second, Some(CHOSEN)).await.unwrap().signup, signup());
    world.clock.advance(SIGNUP_LIFETIME);
    assert!(matches!(confirm(&second, Some(CHOSEN)).await, Err(JoiningError::WrongToken)));
}

fn signup() -> Signup {
    Signup { email: ada(), slug: Slug::parse("ada-and-sons").unwrap(), plan: Plan::Free }
}

#[tokio::test(start_paused = true)]
async fn whoever_reads_the_mail_chooses_the_password_unless_there_is_an_account() {
    let (world, acme) = world().await;
    let auth = &world.authenticator;
    let finish = async |password| {
        let token = auth.sign_up(signup()).await.unwrap().unwrap();
        let confirmed = auth.confirm_signup(&token.reveal(), None, password).await.unwrap();
        auth.finish_signup(&confirmed).await.unwrap();
        world.clock.advance(SIGNUP_PAUSE);
    };

    finish(Some(CHOSEN)).await;
    finish(Some(PASSWORD)).await;
    finish(None).await;

    let ada = world.store.login(&ada()).await.unwrap().unwrap();
    world.store.join(ada.user, acme.id, Role::Owner);
    assert!(world.log_in("ada@acme.example", CHOSEN, None).await.is_ok());
    assert!(world.log_in("ada@acme.example", PASSWORD, None).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn who_has_the_mail_of_an_invitation_and_guesses_the_password_must_wait() {
    let (world, acme) = world().await;
    world.add_person("ada@acme.example", &[]).await;
    let token = invite(&world, &acme);

    for _ in 0..5 {
        assert!(matches!(accept(&world, &token, Some(CHOSEN)).await, Err(JoiningError::Rejected(_))));
    }

    let sixth = accept(&world, &token, Some(PASSWORD)).await;
    assert!(matches!(sixth, Err(JoiningError::Rejected(_))), "it is not even compared");
    world.clock.advance(Duration::from_secs(1));
    accept(&world, &token, Some(PASSWORD)).await.unwrap();
}

#[test]
fn no_token_is_shown() {
    let (invitation, signup) = (InvitationToken::generate(), SignupToken::generate());

    assert_eq!(format!("{invitation:?} {signup:?}"), "InvitationToken(..) SignupToken(..)");
    assert!(invitation.reveal().starts_with("tni_") && signup.reveal().starts_with("tnu_"));
}
