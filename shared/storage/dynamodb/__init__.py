"""The store on DynamoDB: one table, composite keys, three indexes.

    pk                        sk                      what it is
    t/<tenant>/ses/<session>  ~head                   what describes a session; its count of messages
                              ~inbox                  its open tickets, whether it is over, when to wake it; bursts
                              ~lease                  fencing token, lease, and the state of the claimed request
                              ~sum  ~sum/<n>          the state of its summary's job; the summary
                              earlier/<version>/<n>   an earlier version of it
                              m/<seq>[/<n>]           a message; the rest of one too long for an item
                              in/<message>            a recorded message that waits for its turn
                              did/<message>           that a message was recorded, for asking again
    t/<tenant>/req/<request>  request                 a request's record; what is too long for it: text/<n>,
                                                      outcome/<n>, receipt/<n>
                              delivery                where its result is posted, and what came of that
                              listed                  on which shelf of its tenant's lists it stands
                              listen  delta/<token>/<offset>
    t/<tenant>/cus/<customer> conv/<hash>             the session a conversation is bound to
                              memory                  how many entries there are
                              k/<hash>                which entry is the current one of a key
                              e/<rank>/<hash>         an entry; h/<hash>/<version>: an earlier value
                              gone/<hash>             when an entry was deleted
                              d/<ended>/<session>     a session's digest; s/<session>: which is its current one
                              d/~idx                  the recall index's epoch and version
                              i/<version>/<session>/<number>  a piece of it
                              l/<session>             that a session is theirs
                              ~seen                   when they were heard of last
                              ~erasing                that they are being erased
    t/<tenant>/idem/<hash>    idem                    an idempotency key
    t/<tenant>/agent          agent, v/<version>      the tenant's instructions
    t/<tenant>/usage, /faults, /actions, /index, /counted/<id>    the tenant index: see `tenant_index`
    workers, tenants          <name>                  processes that live; tenants of whom anything was noted
    outbox/<shard>            <event>                 a row to announce
    keys                      <key id>                an API key
    callbacks                 <tenant>                a tenant's account of callbacks
    calibration               <name>                  what was learned of a model's tokens
    flights                   <tenant>/<session>      a summary job that was launched
    t/<tenant>/batch/<batch>  <number>[/<n>]          a part of a batch of summaries
    t/<tenant>/batches        <batch>                 the list of them
    running                   <tenant>/<batch>/<n>    a part that has not ended

Head, inbox and lease are apart so that what people change, accepting, and renewing a lease do not get in each other's
way. One read from the end of a session's items gives all of these, its summary and the newest messages. Names that
stand in a key are its last component, or hold no slash, so no two records share a key.

    index     partition                            sorted by    what for
    due       wake/<shard>                         wake time    sessions that wait
              outbox/<shard>                       next try     rows to announce
              sum/<shard>                          when         sessions whose summary may be due: lazy
              callbacks/<shard>                    when         deliveries to be made
              retain/<shard>                       its end      what is past its retention, half deleted or half erased
              feed/<n>, listen                     when         requests that changed; replies somebody listens to
    customer  <tenant>/<customer>                  began        a customer's sessions
    tenant    <tenant>                             began        a tenant's sessions
              <tenant>/callbacks/<status>          began        its deliveries that stand so
              <tenant>/requests/<shelf>            accepted     its requests that are open, succeeded or failed
              <tenant>/customers                   last heard   its customers

Start reading at `turns` (the path of a request), `scheduling` (when a summary is due) or `client` (asking DynamoDB).
"""
