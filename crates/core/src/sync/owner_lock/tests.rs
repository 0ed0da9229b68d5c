//! Who may unlock, by name.

use super::*;
use crate::sync::Local;
use crate::sync::ledger::Hand;

const ADA: Owner = Owner::new(1).unwrap();
const BOB: Owner = Owner::new(2).unwrap();

fn foreign<K: Sharing>() {
    let lock = OwnerLock::<K>::new();
    assert_eq!(lock.unlock_by(ADA), Err(UnlockError::NotLocked));
    assert!(lock.try_lock_by(ADA));
    assert!(!lock.try_lock_by(BOB));
    let mut bob = Hand::waiting(lock.lock_by(BOB));
    assert_eq!(lock.unlock_by(BOB), Err(UnlockError::Foreign), "in line is not locked");
    assert_eq!(lock.owner(), Some(ADA));
    assert_eq!(lock.unlock_by(ADA), Ok(()));
    assert_eq!(lock.unlock_by(ADA), Err(UnlockError::NotLocked), "it is on its way to bob");
    assert_eq!(bob.poll(), Some(()));
    assert_eq!(lock.unlock_by(ADA), Err(UnlockError::Foreign));
    drop(bob);
    assert_eq!(
        lock.owner(),
        Some(BOB),
        "a lock that was got stays, whatever becomes of the future"
    );
    assert_eq!(lock.unlock_by(BOB), Ok(()));
    assert!(lock.try_lock_by(ADA));
}

#[test]
fn l15_a_foreign_unlock_is_an_error() {
    foreign::<Local>();
    foreign::<Shared>();
}
