//! A gate before the database, for what anybody may ask of it: a few pass at a time, a few more wait, the rest is turned away.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::Busy;

/// Lets some through at a time.
#[derive(Debug)]
pub(crate) struct Gate {
    places: Semaphore,
    turns: Semaphore,
}

/// Somebody's turn; it is the next one's when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a>(
    #[expect(dead_code, reason = "they are free again when this is dropped")] [SemaphorePermit<'a>; 2],
);

impl Gate {
    /// Lets so many through at a time, while so many others wait.
    pub(crate) const fn new(at_once: usize, waiting: usize) -> Self {
        Self { places: Semaphore::const_new(at_once + waiting), turns: Semaphore::const_new(at_once) }
    }

    /// Waits for a turn, if there is a place to wait at.
    pub(crate) async fn pass(&self) -> Result<Turn<'_>, Busy> {
        let place = self.places.try_acquire().map_err(|_| Busy)?;
        let turn = self.turns.acquire().await.map_err(|_| Busy)?;
        Ok(Turn([place, turn]))
    }

    /// Turns everybody away from now on.
    #[cfg(test)]
    pub(crate) fn close(&self) {
        self.places.close();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn some_pass_some_wait_and_the_rest_is_turned_away() {
        let gate = Gate::new(1, 1);
        let first = gate.pass().await.unwrap();
        let mut waiting = Box::pin(gate.pass());
        assert!(timeout(Duration::from_secs(1), &mut waiting).await.is_err(), "it waits");
        assert!(gate.pass().await.is_err(), "there is no place left");
        drop(first);

        assert!(waiting.await.is_ok());
    }
}
