set local role tenantry_sec;
drop function sec.protect_derived(regclass);
drop function sec.searchable(regclass, text[]);
drop function sec.index_words();
drop function sec.words(text);
drop function sec.fold(text);
