`twist gun`: a relay that unmodified GUN apps can use, with its graph in LMDB and acks after the commit.
