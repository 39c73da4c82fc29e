use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::testing::weak_passwords;

const RAW: &str = "correct horse battery staple";

fn password() -> Password {
    Password::parse(RAW).unwrap()
}

#[tokio::test]
async fn only_the_password_itself_matches_its_hash() {
    let passwords = weak_passwords();
    let hash = passwords.hash(&password()).await.unwrap();

    assert_eq!(passwords.verify(Some(&hash), RAW).await, Ok(true));
    for wrong in ["", "correct horse battery stapl", "Correct horse battery staple", &RAW.repeat(10)] {
        assert_eq!(passwords.verify(Some(&hash), wrong).await, Ok(false), "{wrong}");
    }
}

#[tokio::test]
async fn without_a_stored_hash_nothing_matches() {
    let passwords = weak_passwords();

    for raw in ["", RAW] {
        assert_eq!(passwords.verify(None, raw).await, Ok(false));
    }
}

#[tokio::test]
async fn the_default_parameters_are_those_of_owasp_and_the_dummy_has_them_too() {
    let passwords = Passwords::new(PasswordSettings::default()).unwrap();

    let hash = passwords.hash(&password()).await.unwrap();

    assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
    assert!(!passwords.needs_rehash(&passwords.dummy));
    assert_eq!(passwords.verify(Some(&hash), RAW).await, Ok(true));
}

#[tokio::test]
async fn a_text_longer_than_any_password_never_matches() {
    let passwords = weak_passwords();
    let long = "x".repeat(Password::MAX_BYTES + 1);
    let of_long = passwords.rehash(&long).await.unwrap();
    let of_empty = passwords.rehash("").await.unwrap();

    assert_eq!(passwords.verify(Some(&of_long), &long).await, Ok(false));
    assert_eq!(passwords.verify(Some(&of_empty), &long).await, Ok(false));
}

#[tokio::test]
async fn two_hashes_of_one_password_differ() {
    let passwords = weak_passwords();

    assert!(passwords.hash(&password()).await.unwrap() != passwords.hash(&password()).await.unwrap());
}

#[tokio::test]
async fn a_hash_with_other_parameters_still_matches_and_wants_renewal() {
    let (old, new) = (weak_passwords(), Passwords::new(weak(2)).unwrap());
    let hash = old.hash(&password()).await.unwrap();

    assert_eq!(new.verify(Some(&hash), RAW).await, Ok(true));
    assert!(new.needs_rehash(&hash) && !old.needs_rehash(&hash));
}

#[tokio::test]
async fn beyond_the_queue_callers_are_turned_away_and_let_in_again_later() {
    let passwords = Passwords::new(PasswordSettings { workers: 1, queue: 1, ..weak(1) }).unwrap();
    let (release, gate) = mpsc::channel::<()>();
    let slow = passwords.clone();
    let working = tokio::spawn(async move { slow.run(move |_| gate.recv().map_err(|_| Busy)).await });
    let queued = tokio::spawn({
        let passwords = passwords.clone();
        async move { passwords.verify(None, RAW).await }
    });
    let full = async {
        while passwords.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), full).await.unwrap();

    let turned_away = passwords.verify(None, RAW).await;
    release.send(()).unwrap();

    assert_eq!(turned_away, Err(Busy));
    assert_eq!(working.await.unwrap(), Ok(()));
    assert_eq!(queued.await.unwrap(), Ok(false));
    assert_eq!(passwords.verify(None, RAW).await, Ok(false));
}

#[tokio::test]
async fn a_caller_who_hangs_up_makes_no_room_while_the_work_goes_on() {
    let passwords = Passwords::new(PasswordSettings { workers: 1, queue: 0, ..weak(1) }).unwrap();
    let (release, gate) = mpsc::channel::<()>();
    let (begun, beginning) = tokio::sync::oneshot::channel();
    let slow = passwords.clone();
    let caller = tokio::spawn(async move {
        let work = move |_: &Argon2<'static>| {
            begun.send(()).unwrap();
            gate.recv().map_err(|_| Busy)
        };
        slow.run(work).await
    });
    beginning.await.unwrap();

    caller.abort();
    assert!(caller.await.is_err());
    let meanwhile = passwords.verify(None, RAW).await;
    release.send(()).unwrap();
    let _room = passwords.places.acquire().await.unwrap();

    assert_eq!(meanwhile, Err(Busy));
}

#[tokio::test]
async fn every_answer_takes_a_verification() {
    let passwords = weak_passwords();
    let hash = passwords.hash(&password()).await.unwrap();
    let long = "x".repeat(Password::MAX_BYTES + 1);

    passwords.close();

    for (stored, raw) in [(Some(&hash), RAW), (Some(&hash), ""), (Some(&hash), &long), (None, RAW), (None, &long)] {
        assert_eq!(passwords.verify(stored, raw).await, Err(Busy));
    }
}

#[test]
fn a_password_is_long_enough_and_not_too_long() {
    for good in ["fifteen letters", &"ä".repeat(15), &"𝄞".repeat(64), "  leading and trailing  "] {
        assert!(Password::parse(good).is_ok(), "{good}");
    }
    assert_eq!(Password::parse("fourteen chars"), Err(InvalidPassword::TooShort));
    assert_eq!(Password::parse(&"ä".repeat(14)), Err(InvalidPassword::TooShort));
    assert_eq!(Password::parse(&"x".repeat(257)), Err(InvalidPassword::TooLong));
    assert_eq!(Password::parse("with a NUL \0 inside"), Err(InvalidPassword::Nul));
}

#[tokio::test]
async fn a_password_is_the_same_however_its_characters_are_composed() {
    let passwords = weak_passwords();
    let (composed, decomposed) = ("un caf\u{e9} très fran\u{e7}ais", "un cafe\u{301} tre\u{300}s franc\u{327}ais");

    let hash = passwords.hash(&Password::parse(composed).unwrap()).await.unwrap();

    assert_eq!(passwords.verify(Some(&hash), decomposed).await, Ok(true));
    assert_eq!(passwords.verify(Some(&hash), "un cafe très français").await, Ok(false));
    assert_eq!(Password::parse(&"e\u{301}".repeat(14)), Err(InvalidPassword::TooShort));
}

#[test]
fn a_password_that_is_easily_guessed_is_refused() {
    for guessable in [
        "aaaaaaaaaaaaaaaa",
        "passwordpassword",
        "password12345678",
        "1234567890123456",
        "abcdefghijklmnopqrstuvwxyz",
        "qwertyuiopasdfghjkl",
        "qwertyqwertyqwerty",
        "iloveyouiloveyou",
        "letmeinletmeinletmein",
        "correcthorsebatterystaple",
        "tenantrytenantry",
        "Tenantry-Password",
    ] {
        assert_eq!(Password::choose(guessable, &[]), Err(InvalidPassword::Guessable), "{guessable}");
    }
    for good in ["seven green kettles sing", "Rk8-vq2Zt!mP4x-wLd", "ein grünes Haus am blauen Fjord"] {
        assert!(Password::choose(good, &[]).is_ok(), "{good}");
    }
}

#[test]
fn a_password_of_what_is_known_of_its_owner_is_refused() {
    let words = ["ada", "lovelace", "example", "com", "acme", "de"].map(str::to_owned);

    for guessable in ["ada.lovelace@example.com", "Acme-Ada-Lovelace-2028", "tenantry acme lovelace"] {
        assert_eq!(Password::choose(guessable, &words), Err(InvalidPassword::Guessable), "{guessable}");
    }
    assert!(Password::choose("lovelace has seven green kettles", &words).is_ok());
}

#[test]
fn only_a_complete_argon2id_hash_is_read() {
    let good = "$argon2id$v=19$m=32,t=1,p=1$c29tZXNhbHQ$K/ROkaGDPdVoQsEA1SMzQN4mHUuCPoVyZY1zKTpUbf4";

    assert_eq!(PasswordHash::parse(good).map(|it| it.as_str().to_owned()), Ok(good.to_owned()));
    for bad in [
        "",
        RAW,
        &good.replace("argon2id", "argon2i"),
        &good.replace("argon2id", "scrypt"),
        &good.replace("v=19", "v=16"),
        &good.replace("m=32", "m=1"),
        "$argon2id$v=19$m=32,t=1,p=1$c29tZXNhbHQ",
        "$2b$12$abcdefghijklmnopqrstuv",
    ] {
        assert_eq!(PasswordHash::parse(bad), Err(InvalidPasswordHash), "{bad}");
    }
}

#[test]
fn neither_password_nor_hash_is_shown() {
    let shown = format!("{:?} {:?}", password(), weak_passwords());

    assert!(!shown.contains("horse") && !shown.contains("argon2id$"), "{shown}");
}

#[test]
fn settings_that_argon2_cannot_use_are_refused() {
    assert!(Passwords::new(PasswordSettings { memory_kib: 1, ..weak(1) }).is_err());
    assert!(Passwords::new(PasswordSettings { workers: 0, ..weak(1) }).is_err());
}

fn weak(iterations: u32) -> PasswordSettings {
    PasswordSettings { memory_kib: 8, iterations, parallelism: 1, workers: 2, queue: 64 }
}
