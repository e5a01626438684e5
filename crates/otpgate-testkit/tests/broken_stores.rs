//! The kit is tested by stores that break one clause each.

use otpgate_testkit::__private::Flavor;
use otpgate_testkit::store::{BrokenStore, Clause, Fault, Kit, ReferenceStore};

/// The clauses that a store breaks, each against fresh data.
fn broken(flavor: Flavor, kit: impl Fn() -> Kit) -> Vec<(u8, String)> {
    let check = |clause: &Clause| {
        let found = flavor.block_on(async { clause.check(&kit()).await });
        found.err().map(|violation| (clause.number(), violation.to_string()))
    };
    Clause::ALL.iter().filter_map(check).collect()
}

#[test]
fn each_broken_store_breaks_its_own_clause_and_no_other() {
    let mut wrong = Vec::new();
    for fault in Fault::ALL {
        for flavor in Flavor::ALL {
            let found = broken(flavor, || BrokenStore::kit(*fault));
            if found.iter().map(|(clause, _)| *clause).ne([fault.clause()]) {
                wrong.push(format!("{fault:?} on {flavor:?} breaks {found:?}, not only {}", fault.clause()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A replica that lags shows a session that was logged out. Clause 2 is asked of every ready store through two connections.
#[test]
fn a108_a_store_that_reads_from_a_replica_that_lags_breaks_clause_2() {
    for flavor in Flavor::ALL {
        let found = broken(flavor, || BrokenStore::kit(Fault::ReadsStale));
        assert!(matches!(&found[..], [(2, _)]), "{found:?}");
    }
}

#[test]
fn every_clause_has_a_store_that_breaks_it() {
    for clause in Clause::ALL {
        assert!(Fault::ALL.iter().any(|fault| fault.clause() == clause.number()), "{}", clause.name());
    }
}

#[test]
fn the_reference_store_breaks_none() {
    for flavor in Flavor::ALL {
        let found = broken(flavor, || {
            let store = ReferenceStore::default();
            Kit::new(store.clone()).with_second(store)
        });
        assert!(found.is_empty(), "{found:?}");
    }
}

mod as_a_host_writes_it {
    use otpgate_testkit::store::ReferenceStore;

    otpgate_testkit::store_conformance!(async { ReferenceStore::default() });
}
