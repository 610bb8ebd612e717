-- Let an id of this bucket lead to another, where what it names is; without P.bucket, nowhere any more.
if P.bucket then point(P.id, P.bucket) else redis.call('UNLINK', at_key(P.id)) end
return { 'pointed' }
