use crate::values::PAGE;

/// Entries that stay where they are put: in pages, so that growing copies none of them and takes no room for as many again.
pub(crate) struct Slab<T> {
    pages: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    /// Entries of a page.
    const PAGE: usize = PAGE / size_of::<Option<T>>();

    /// The place that the next entry comes to, if it is below `most`.
    pub(crate) fn next(&self, most: u32) -> Option<u32> {
        self.free.last().copied().or_else(|| Some(self.end()).filter(|place| *place < most))
    }

    /// Puts an entry into the next place, if it is below `most`.
    pub(crate) fn insert(&mut self, entry: T, most: u32) -> Option<u32> {
        let place = self.next(most)?;
        if self.free.pop().is_some() {
            *self.entry(place)? = Some(entry);
            return Some(place);
        }
        if self.pages.last().is_none_or(|page| page.len() == Self::PAGE) {
            self.pages.push(Vec::new());
        }
        let is_first = self.pages.len() == 1;
        let page = self.pages.last_mut()?;
        if page.len() == page.capacity() {
            // Where there are few, there is no room for many.
            let more = if is_first { page.len().max(1).min(Self::PAGE - page.len()) } else { Self::PAGE };
            page.reserve_exact(more);
        }
        page.push(Some(entry));
        Some(place)
    }

    pub(crate) fn get(&self, place: u32) -> Option<&T> {
        let place = place as usize;
        self.pages.get(place / Self::PAGE)?.get(place % Self::PAGE)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        self.entry(place)?.as_mut()
    }

    pub(crate) fn remove(&mut self, place: u32) -> Option<T> {
        let entry = self.entry(place)?.take()?;
        self.free.push(place);
        Some(entry)
    }

    /// One more than the last place that was ever taken.
    pub(crate) fn end(&self) -> u32 {
        let last = self.pages.last().map_or(0, Vec::len);
        (self.pages.len().saturating_sub(1) * Self::PAGE + last) as u32
    }

    fn entry(&mut self, place: u32) -> Option<&mut Option<T>> {
        let place = place as usize;
        self.pages.get_mut(place / Self::PAGE)?.get_mut(place % Self::PAGE)
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), free: Vec::new() }
    }
}
