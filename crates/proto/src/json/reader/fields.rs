//! What the generated readers call, one function for each kind of field.

use std::collections::BTreeMap;

use super::super::error::Kind;
use super::super::{Enumeration, Error, Value};
use super::{Reader, Step, cut};

impl Reader<'_> {
    /// A required field; its bit in `seen` says whether the last value given was one.
    #[inline]
    pub fn required<V: Value>(
        &mut self,
        name: &'static str,
        slot: &mut V,
        seen: &mut u64,
        bit: u32,
    ) -> Result<(), Error> {
        match self.value(name)? {
            Some(value) => {
                *slot = value;
                *seen |= 1 << bit;
            }
            None => *seen &= !(1 << bit),
        }
        Ok(())
    }

    /// A required enum: an unknown name is an error.
    pub fn required_enum<E: Enumeration>(
        &mut self,
        name: &'static str,
        slot: &mut i32,
        seen: &mut u64,
        bit: u32,
    ) -> Result<(), Error> {
        if self.null()? {
            *seen &= !(1 << bit);
            return Ok(());
        }
        self.path.push(Step::Field(name));
        let start = self.peek_at();
        let text = self.string()?;
        *slot = E::number(&text).ok_or_else(|| self.error_at(start, Kind::Enum(cut(&text))))?;
        *seen |= 1 << bit;
        self.path.pop();
        Ok(())
    }

    /// An optional field.
    #[inline]
    pub fn optional<V: Value>(&mut self, name: &'static str, slot: &mut Option<V>) -> Result<(), Error> {
        *slot = self.value(name)?;
        Ok(())
    }

    /// An optional enum: an unknown name is as if absent.
    pub fn optional_enum<E: Enumeration>(
        &mut self,
        name: &'static str,
        slot: &mut Option<i32>,
    ) -> Result<(), Error> {
        *slot = self.member_enum::<E>(name)?;
        Ok(())
    }

    /// A member of a oneof.
    #[inline]
    pub fn member<V: Value>(&mut self, name: &'static str) -> Result<Option<V>, Error> {
        self.value(name)
    }

    /// An enum as a member of a oneof.
    pub fn member_enum<E: Enumeration>(&mut self, name: &'static str) -> Result<Option<i32>, Error> {
        if self.null()? {
            return Ok(None);
        }
        self.path.push(Step::Field(name));
        let text = self.string()?;
        self.path.pop();
        Ok(E::number(&text))
    }

    /// A list, or one value as a list of one.
    pub fn repeated<V: Value>(&mut self, name: &'static str, slot: &mut Vec<V>) -> Result<(), Error> {
        slot.clear();
        self.path.push(Step::Field(name));
        self.elements(&mut |reader| {
            let mut value = V::default();
            value.read(reader)?;
            slot.push(value);
            Ok(())
        })?;
        self.path.pop();
        Ok(())
    }

    /// A list of enums; unknown names are left out.
    pub fn repeated_enum<E: Enumeration>(
        &mut self,
        name: &'static str,
        slot: &mut Vec<i32>,
    ) -> Result<(), Error> {
        slot.clear();
        self.path.push(Step::Field(name));
        self.elements(&mut |reader| {
            let text = reader.string()?;
            slot.extend(E::number(&text));
            Ok(())
        })?;
        self.path.pop();
        Ok(())
    }

    /// A map from an object.
    pub fn map<V: Value>(&mut self, name: &'static str, slot: &mut BTreeMap<String, V>) -> Result<(), Error> {
        slot.clear();
        if self.null()? {
            return Ok(());
        }
        self.path.push(Step::Field(name));
        self.expect(b'{')?;
        self.enter()?;
        if !self.take(b'}') {
            loop {
                let key = self.key()?;
                if !self.null()? {
                    let mut value = V::default();
                    value.read(self)?;
                    slot.insert(key.into_owned(), value);
                }
                if !self.more(b'}')? {
                    break;
                }
            }
        }
        self.depth -= 1;
        self.path.pop();
        Ok(())
    }

    /// A value, unless it is `null`.
    #[inline]
    fn value<V: Value>(&mut self, name: &'static str) -> Result<Option<V>, Error> {
        if self.null()? {
            return Ok(None);
        }
        self.path.push(Step::Field(name));
        let mut value = V::default();
        value.read(self)?;
        self.path.pop();
        Ok(Some(value))
    }

    /// Each element of a list, of lists inside it, or the one value there is. `null` is no element.
    fn elements(&mut self, read: &mut dyn FnMut(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        if self.null()? {
            return Ok(());
        }
        if self.peek() != Some(b'[') {
            return read(self);
        }
        self.at += 1;
        self.enter()?;
        if !self.take(b']') {
            let mut index = 0;
            loop {
                self.path.push(Step::Index(index));
                self.elements(read)?;
                self.path.pop();
                index += 1;
                if !self.more(b']')? {
                    break;
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }
}
