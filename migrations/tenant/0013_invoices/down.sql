delete from search_words where tenant_id is not null and resource = 'invoices';
drop table invoice_series;
drop table invoices;
