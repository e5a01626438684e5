macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $name:ident breaks $clause:literal,)*) => {
        /// What is wrong with a `BrokenStore`: mistakes that real stores have made.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Fault {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The one clause that it breaks.
            #[must_use]
            pub fn clause(self) -> u8 {
                match self {
                    $(Self::$name => $clause,)*
                }
            }
        }
    };
}
faults! {
    /// Reads, compares, then writes.
    LosesUpdates breaks 1,
    /// Says `No` to all swaps of a key that overlap, as if each had lost to another.
    SaysNoUnderContention breaks 1,
    /// The second handle answers loads from a cache of its own.
    ReadsStale breaks 2,
    /// Puts the expiry off although it says `No`.
    ChangesOnNo breaks 2,
    /// Lets `Absent` win over an expired record.
    ReplacesExpired breaks 3,
    /// A record that was removed is back after the next `add`.
    ComesBack breaks 4,
    /// A swap that names the revision of a record that `drop_owned` removed writes it anew.
    RevivesDropped breaks 4,
    /// Evicts the oldest record to make room.
    EvictsRecords breaks 5,
    /// Forgets counters to make room.
    EvictsCounters breaks 5,
    /// Counts records with and without an owner against one limit.
    SharesItsBudget breaks 5,
    /// Sweeps what never expires, as arithmetic that wraps does.
    DropsNever breaks 5,
    /// `load` hides what the machine's clock says is expired.
    ReadsTheClock breaks 6,
    /// Starts an expired counter again from 0.
    RestartsCounters breaks 6,
    /// Reads a counter, then writes it.
    LosesCounts breaks 7,
    /// Creates a counter when 0 is added.
    CreatesOnZero breaks 7,
    /// Takes over the expiry of each addition.
    MovesExpiry breaks 7,
    /// Writes the owner's index after the record.
    IndexesLate breaks 8,
    /// `drop_owned` removes only what its own handle wrote.
    DropsOnlyItsOwn breaks 8,
    /// `owned` does not sort.
    ListsUnordered breaks 8,
    /// `sweep` takes what expires at its line, too.
    SweepsTheLine breaks 8,
    /// `sweep` takes more than its limit.
    SweepsWithoutLimit breaks 8,
    /// `sweep` looks first and removes later.
    SweepsWhatItSaw breaks 8,
    /// Ends a value at its first NUL.
    CutsAtNul breaks 9,
    /// Ends a value at 65 535 bytes.
    CutsLongValues breaks 9,
    /// Takes keys that differ in case for one.
    MergesKeys breaks 9,
    /// Takes owners that differ in case for one.
    MergesOwners breaks 9,
    /// Writes after it has answered with an error.
    WritesAfterError breaks 10,
    /// Leaves half of a value behind an error.
    WritesHalf breaks 10,
    /// Leaves half of a value behind a call that was dropped.
    TearsWhenDropped breaks 10,
    /// Answers nothing but errors after a call was dropped.
    StopsWhenDropped breaks 10,
}
