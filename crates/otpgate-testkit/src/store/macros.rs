/// Expands to the tests of the store contract: each clause on a `current_thread` and on a multi-thread tokio runtime, and
/// all of them once through `Arc<dyn Store>` and `Box<dyn Store>`.
///
/// The argument is evaluated for each test; it gives a [`Store`](otpgate_core::Store), or a [`Kit`](crate::Kit) where there
/// is more to say:
///
/// ```
/// use otpgate_testkit::store::{Kit, ReferenceStore};
///
/// mod plain {
///     use super::*;
///     otpgate_testkit::store_conformance!(async { ReferenceStore::default() });
/// }
///
/// mod two_handles {
///     use super::*;
///     otpgate_testkit::store_conformance!(async {
///         let store = ReferenceStore::default();
///         Kit::new(store.clone()).with_second(store)
///     });
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! store_conformance {
    ($connect:expr) => {
        async fn otpgate_kit() -> $crate::Kit {
            ::core::convert::Into::into(($connect).await)
        }

        $crate::__clause_tests!(
            clause_1_swap_is_atomic_per_key,
            clause_2_later_loads_see_what_was_written,
            clause_3_absent_means_no_record,
            clause_4_removed_stays_removed,
            clause_5_nothing_vanishes_early,
            clause_6_the_store_reads_no_clock,
            clause_7_add_is_atomic,
            clause_8_owners_and_sweeps_are_exact,
            clause_9_bytes_come_back,
            clause_10_an_error_leaves_old_or_new,
        );

        mod every_clause {
            #[test]
            fn through_arc() {
                $crate::__private::run_through($crate::__private::Pointer::Arc, super::otpgate_kit());
            }

            #[test]
            fn through_box() {
                $crate::__private::run_through($crate::__private::Pointer::Box, super::otpgate_kit());
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __clause_tests {
    ($($clause:ident),* $(,)?) => {$(
        mod $clause {
            fn on(flavor: $crate::__private::Flavor) {
                $crate::__private::run(flavor, stringify!($clause), super::otpgate_kit(), |kit| {
                    ::std::boxed::Box::pin($crate::store::$clause(kit))
                });
            }

            #[test]
            fn current_thread() {
                on($crate::__private::Flavor::CurrentThread);
            }

            #[test]
            fn multi_thread() {
                on($crate::__private::Flavor::MultiThread);
            }
        }
    )*};
}
