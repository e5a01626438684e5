use otpgate_core::{Key, Owner, Record, Revision, Timestamp};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

/// A row of the records' table.
pub(crate) fn record(row: &PgRow) -> Result<(Key, Record), sqlx::Error> {
    let record = Record {
        revision: Revision(bytes(row.try_get("revision")?)?),
        expires_at: Timestamp::from_millis(row.try_get("expires_at")?),
        owner: row.try_get::<Option<&[u8]>, _>("owner")?.map(bytes).transpose()?.map(Owner),
        value: row.try_get("value")?,
    };
    Ok((Key(bytes(row.try_get("key")?)?), record))
}

/// A counter's total; a negative one is damage, and damage is an error.
pub(crate) fn total(total: i64) -> Result<u64, sqlx::Error> {
    u64::try_from(total).map_err(|e| sqlx::Error::Decode(e.into()))
}

/// A column of a fixed length.
fn bytes<const N: usize>(column: &[u8]) -> Result<[u8; N], sqlx::Error> {
    column.try_into().map_err(|e: std::array::TryFromSliceError| sqlx::Error::Decode(e.into()))
}
