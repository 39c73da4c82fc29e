drop table documents;
drop table blobs;
