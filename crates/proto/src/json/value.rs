//! How each kind of value is written and read.

use bytes::Bytes;

use super::error::Kind;
use super::{Error, Json, Reader, base64, number, text};

/// A value of a field: a scalar or a message.
pub trait Value: Default {
    /// Appends the value.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads a value that is not `null`.
    ///
    /// # Errors
    /// When there is no JSON, or JSON of another kind.
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Error>;
}

impl<M: Json> Value for M {
    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        Json::write(self, out);
    }

    #[inline]
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        reader.message(self)
    }
}

impl Value for String {
    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        text::write(self, out);
    }

    #[inline]
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        *self = reader.string()?.into_owned();
        Ok(())
    }
}

impl Value for Bytes {
    fn write(&self, out: &mut Vec<u8>) {
        base64::write(self, out);
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        let start = reader.offset();
        let text = reader.string()?;
        let bytes = base64::read(&text).ok_or_else(|| reader.error_at(start, Kind::Base64))?;
        *self = bytes.into();
        Ok(())
    }
}

impl Value for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        *self = reader.boolean()?;
        Ok(())
    }
}

impl Value for f64 {
    fn write(&self, out: &mut Vec<u8>) {
        number::write_double(*self, out);
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        *self = reader.double()?;
        Ok(())
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Value for $integer {
            fn write(&self, out: &mut Vec<u8>) {
                number::write_integer(*self, out);
            }

            fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
                *self = reader.integer()?;
                Ok(())
            }
        }
    )*};
}

integers!(i32, u32, i64, u64);
